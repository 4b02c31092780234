"""What the other packages of the daemon use: tasks, threads, child processes, sockets, files."""
