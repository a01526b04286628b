"""STATE that outlives the emulator: snapshots of moto's backends on disk."""
