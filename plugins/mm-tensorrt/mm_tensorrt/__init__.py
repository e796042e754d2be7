"""Models of mm as TensorRT engines."""
