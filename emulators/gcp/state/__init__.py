"""STATE: records on disk before the answer that names them, kept files, trash. Imports protocol."""
