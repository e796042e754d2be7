"""The core's own engine: backbones, fusion and task as a network of torch."""
