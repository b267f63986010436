"""`python -m loadtest.demo`: the main job from end to end, shown and checked."""
