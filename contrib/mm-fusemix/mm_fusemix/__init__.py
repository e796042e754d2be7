"""FuseMix: frozen encoders aligned on paired latents."""
