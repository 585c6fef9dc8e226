static void leave(int last, int process, int step)
{
	if (after(last, process))
		_exit(0);
	if (after(last, MAIN)) {
		while (!kill(all->pid[process], 0))
			usleep(100);
		all->done = step;
	}
}
