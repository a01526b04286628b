"""THE FITTED MODEL behind its engine: scikit-learn or an ONNX graph.

Imports bundle, data.
"""
