/* Bits 55 and up: 1 soft-dirty, 2 mapped once, 4 uffd-wp, 0x40 file, 0x80 not present, 0x100 present. */
static void pagemap(int step, int page, int pages, const unsigned long *wanted)
{
	unsigned long entry[WINDOW_PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY), i;
	if (pread(fd, entry, pages * 8, (unsigned long)at(page) / PAGE * 8) != pages * 8 || close(fd))
		perror("/proc/self/pagemap"), stop(2);
	for (i = 0; i < pages; i++)
		if ((entry[i] = entry[i] >> 55 & 0x1c7) != wanted[i])
			dprintf(1, "BROKEN: step %d: pagemap of page %d: %#lx, not %#lx\n", step, page + i, entry[i], wanted[i]), stop(1);
}
