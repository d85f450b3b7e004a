"""The built-in people finder: networks whose weights come in the package."""
