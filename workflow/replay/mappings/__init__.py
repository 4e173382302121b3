"""Ready mapping files, and their JSON Schema for editors."""
