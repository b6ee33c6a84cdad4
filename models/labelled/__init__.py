"""Labelled data: pictures with what people saw in them."""
