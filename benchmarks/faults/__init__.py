"""Everything that can go wrong, tried: hostile files, mutated files, signals, kills, full disks, broken hubs."""
