"""Networks as files for other programs: ONNX, ONNX int8, a state_dict with its code, node data."""
