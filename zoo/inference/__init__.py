"""Models as graphs that need no Python: static programs, Paddle Inference, ONNX."""
