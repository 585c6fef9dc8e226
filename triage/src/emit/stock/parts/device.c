struct dmirror_cmd { unsigned long addr, ptr, npages, cpages, faults; };
static unsigned long mirror[WINDOW_PAGES * PAGE / sizeof(long)];
static long device(int dev, unsigned long command, int page, long pages)
{
	struct dmirror_cmd cmd = { (long)at(page), (long)mirror, pages, 0, 0 };
	if (!devices[dev] && (devices[dev] = open(dev ? "/dev/hmm_dmirror1" : "/dev/hmm_dmirror0", O_RDWR)) < 0)
		perror("/dev/hmm_dmirror"), stop(2);
	return ioctl(devices[dev], command, &cmd) ? -errno : (long)cmd.cpages;
}
