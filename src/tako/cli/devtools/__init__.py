"""What `tako dev` is made of beside the server: the app's own commands, one log, a watch."""
