"""Raw cells, whatever their kind: bytes, paths, URLs, arrays, lists, notations of numbers."""
