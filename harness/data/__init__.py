"""Image data: where it is found, packed uint8 stores with digests, class splits."""
