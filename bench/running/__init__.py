"""Running a block: building memories and tasks, lanes, check-points, caches, costs, executors."""
