"""What `archc init` does: it starts a spec of the user's own from another one."""
