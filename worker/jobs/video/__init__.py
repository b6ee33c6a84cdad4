"""Videos as jobs: read, analysed in segments, followed in order, drawn in segments again, and joined with their sound.

What a video's segments are depends on the video alone, and only one step looks at faces over time, so the results do
not depend on how many workers there are.
"""
