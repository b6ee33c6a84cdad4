"""The live worker: collect, analyse, track, draw, publish."""
