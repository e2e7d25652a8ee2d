"""Changes one place of a module at a time, and runs its tests: a change that no test notices is printed."""
