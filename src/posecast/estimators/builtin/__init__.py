"""People found without a download: networks whose weights come in the package."""
