"""The parts of the task `episodic-events`: events, codes, questions, decoders, scores."""
