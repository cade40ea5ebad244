import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.model_store import (
    change_stored,
    delete_stored,
    import_model,
    load_stored,
    stored_models,
    stored_network,
    stored_path,
)
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo.build import build


def lenet(name="mine", *, shift=0.0):
    module = build("lenet5", {})
    module.conv1.weight.data += shift
    return Model(module, name=name, input_shape=(1, 8, 8), architecture="lenet5")


def test_an_imported_network_is_found_read_and_opened(tmp_path):
    model = lenet()
    digest = import_model(tmp_path, model)
    assert digest == model.digest
    (stored,) = stored_models(tmp_path)
    assert (stored.digest, stored.name) == (digest, "mine")
    assert stored.size == stored_path(tmp_path, digest).stat().st_size
    network, again = stored_network(tmp_path, digest), load_stored(tmp_path, digest)
    assert network.groups == read_network(model).groups
    np.testing.assert_array_equal(network.layers[0].weight, model.module.conv1.weight.detach())
    images = torch.zeros(1, 1, 8, 8)
    with torch.inference_mode():
        assert torch.equal(again.module(images), model.module(images))


def test_importing_twice_keeps_one_and_leaves_nothing_beside(tmp_path):
    assert import_model(tmp_path, lenet()) == import_model(tmp_path, lenet())
    assert len(stored_models(tmp_path)) == 1
    assert len(list((tmp_path / "models").iterdir())) == 1
    import_model(tmp_path, lenet("other", shift=1.0))
    assert {stored.name for stored in stored_models(tmp_path)} == {"mine", "other"}


def test_opening_a_network_again_brings_its_old_reading_up_to_date(tmp_path):
    digest = import_model(tmp_path, lenet())
    reading = stored_path(tmp_path, digest).with_name("reading.json")
    old = json.loads(reading.read_text())
    del old["along"]
    reading.write_text(json.dumps(old))
    assert import_model(tmp_path, lenet()) == digest
    assert set(stored_network(tmp_path, digest).along) == {"conv1", "conv2", "fc1"}
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_reading_of_an_older_version_is_made_anew_where_it_is_shown(tmp_path):
    digest = import_model(tmp_path, lenet())
    reading = stored_path(tmp_path, digest).with_name("reading.json")
    whole = reading.read_text()
    old = json.loads(whole)
    del old["covers"], old["along"]["fc1"]
    old["layers"] = [layer for layer in old["layers"] if not layer.pop("neurons")]
    old["groups"] = [group for group in old["groups"] if group["name"] != "fc1"]
    for term in old["terms"]:
        for side in ("outs", "ins"):
            term[side] = [["", n] if name == "fc1" else [name, n] for name, n in term[side]]
    reading.write_text(json.dumps(old, sort_keys=True))
    network = stored_network(tmp_path, digest)
    assert [layer.name for layer in network.layers if layer.neurons] == ["fc1"]
    assert reading.read_text() == whole


def test_an_older_reading_of_a_network_that_cannot_be_opened_here_is_taken_as_it_is(
    tmp_path, monkeypatch
):
    digest = import_model(tmp_path, lenet())
    reading = stored_path(tmp_path, digest).with_name("reading.json")
    old = json.loads(reading.read_text())
    del old["covers"]
    reading.write_text(json.dumps(old, sort_keys=True))

    def missing(home, digest):
        raise ModelError("No timm here.")

    monkeypatch.setattr("sfp_viz.nets.io.model_store.load_stored", missing)
    assert stored_network(tmp_path, digest).digest == digest
    assert "covers" not in json.loads(reading.read_text())


def test_what_an_interrupted_import_left_is_no_network_and_is_replaced(tmp_path):
    digest = import_model(tmp_path, lenet())
    (tmp_path / "models" / digest / "reading.json").unlink()
    (tmp_path / "models" / ".0123456789abcdef.1").mkdir()
    assert stored_models(tmp_path) == ()
    with pytest.raises(ModelError, match="cannot be read"):
        stored_network(tmp_path, digest)
    assert import_model(tmp_path, lenet()) == digest
    assert stored_network(tmp_path, digest).digest == digest


def test_a_network_that_cannot_be_kept_leaves_nothing(tmp_path):
    with pytest.raises(ModelError, match="is not built with"):
        import_model(tmp_path, replace(lenet(), arguments={"classes": 10**9}))
    assert not list((tmp_path / "models").glob("*"))
    other = read_network(lenet(shift=1.0))
    with pytest.raises(ModelError, match="not that of the network"):
        import_model(tmp_path, lenet(), other)


@pytest.mark.parametrize("digest", ["../../etc", "", "0123456789abcdef", "ABCDEFGH", "a" * 100])
def test_what_is_no_digest_of_an_import_gives_one_sentence(tmp_path, digest):
    for ask in (stored_path, stored_network, load_stored):
        with pytest.raises(ModelError):
            ask(tmp_path, digest)


def test_an_empty_workspace_has_no_imports(tmp_path):
    assert stored_models(tmp_path / "nowhere") == ()


def test_reading_an_import_loads_no_torch(tmp_path):
    digest = import_model(tmp_path, lenet())
    code = (
        "import sys; from sfp_viz.nets.io.model_store import stored_models, stored_network;"
        f"stored_models({str(tmp_path)!r}); stored_network({str(tmp_path)!r}, {digest!r});"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_opening_the_same_weights_again_replaces_what_was_said_of_them(tmp_path):
    model = lenet()
    digest = import_model(tmp_path, model)
    changed = replace(model, name="other", mean=(0.1,), std=(0.3,))
    assert import_model(tmp_path, changed) == digest
    again = load_stored(tmp_path, digest)
    assert (again.name, again.mean, again.std) == ("other", (0.1,), (0.3,))
    assert stored_network(tmp_path, digest).name == "other"
    assert [stored.name for stored in stored_models(tmp_path)] == ["other"]
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_opening_the_same_weights_for_images_of_another_size_reads_them_again(tmp_path):
    module = build("cifar_resnet", {"blocks": 1})
    options = {"architecture": "cifar_resnet", "arguments": {"blocks": 1}}
    first = Model(module, name="a", input_shape=(3, 32, 32), **options)
    digest = import_model(tmp_path, first)
    import_model(tmp_path, replace(first, input_shape=(3, 64, 64)))
    network = stored_network(tmp_path, digest)
    assert network.input_shape == (3, 64, 64)
    assert network.layers[0].output_size == (64, 64)


def test_imported_networks_are_renamed_and_deleted(tmp_path):
    digest = import_model(tmp_path, lenet())
    change_stored(tmp_path, digest, name="better")
    assert stored_models(tmp_path)[0].name == stored_network(tmp_path, digest).name == "better"
    delete_stored(tmp_path, digest)
    assert stored_models(tmp_path) == ()
    with pytest.raises(ModelError, match="no imported network"):
        delete_stored(tmp_path, digest)
    assert list((tmp_path / "models").iterdir()) == []
