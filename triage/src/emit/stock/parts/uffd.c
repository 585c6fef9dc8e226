static long uffd(unsigned long command, int page, int pages, unsigned long mode)
{
	long api[] = { 0xaa, 1 << 0 | 1 << 7, 0 }; /* UFFD_FEATURE_PAGEFAULT_FLAG_WP, UFFD_FEATURE_SIGBUS */
	long argument[] = { (long)at(page), pages * PAGE, mode, 0 };
	if (!userfault && ioctl(userfault = syscall(SYS_userfaultfd, O_CLOEXEC), _IOWR(0xaa, 0x3f, long[3]), api))
		perror("userfaultfd"), stop(2);
	return result(ioctl(userfault, command, argument));
}
