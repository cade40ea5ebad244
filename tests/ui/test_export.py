"""What is taken along of a finished run runs as the run keeps it."""

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.runs.folder import home
from sfp_viz.ui import export
from sfp_viz.ui.check import checks
from tests.shell import NET


def test_layers_that_leave_stripes_out_do_so_in_every_file(shell):
    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.stripes.striped_file import load_striped, save_striped
    from sfp_viz.nets.stripes.striped_model import cropped_layers, striped

    model = load_model(NET)
    model.module.get_submodule("conv2").weight.data[:, :, 0] = 0
    kept, _ = striped(model.with_module(model.module), kind="smaller")
    save_striped(kept, home() / "runs" / "thin" / "student.safetensors")
    source = export.Source(NET, Request(Recipe()), "digits", "thin")
    assert cropped_layers(export.network_of(source)) == ("conv2",)
    taken = shell / "taken.safetensors"
    taken.write_bytes(checks.file_of(export.network_of(source)))
    assert load_striped(taken).digest == kept.digest
    file = export.onnx_file(source, "thin")
    assert file.difference is not None
    assert file.difference <= 1e-4
    values = kept.module.get_submodule("conv2").weight.numel()
    assert values < model.module.get_submodule("conv2").weight.numel()
    assert len(file.files[0][2]) < 4 * sum(p.numel() for p in model.module.parameters())
