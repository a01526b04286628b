"""THE FITTED MODEL, whatever engine runs it: scikit-learn or an ONNX graph.

Imports bundle, data.
"""
