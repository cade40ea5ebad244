"""``python -m sfp_viz.cli``, where the script sfp-viz is not installed."""

from sfp_viz.cli import main

if __name__ == "__main__":
    main(prog_name="sfp-viz")
