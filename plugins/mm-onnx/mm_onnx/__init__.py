"""Models of mm as ONNX graphs, which answer without torch."""
