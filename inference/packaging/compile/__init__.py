"""Compiling: a fitted model as an ONNX graph, kept only where its answers are proven equal."""
