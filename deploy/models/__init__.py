"""MODEL VERSIONS: approval, aliases, references and download. Imports target, waiting."""
