"""What a task lets a person look at: plain content that knows how to draw itself as text."""
