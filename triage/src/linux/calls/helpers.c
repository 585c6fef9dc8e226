//: at(
static char *at(long page) { return (char *)0x700000000000 + page * P; }

//: put(
static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

//: number(
static long number(const char *path, const char *name)
{
	static char text[65536] = "\n", *at;
	text[1 + read(open(path, O_RDONLY), text + 1, sizeof(text) - 2)] = 0;
	return (at = strstr(text, name)) ? atol(at + strlen(name)) : 0;
}

//: write_to(
static void write_to(long page, long pages, long word)
{
	for (; pages--; page++)
		*(volatile long *)at(page) = word + WORD(page);
}

//: try_to_write(
static sigjmp_buf fault;
static void on_fault(int signal) { siglongjmp(fault, signal); }
static void try_to_write(volatile long page, volatile long pages, long word)
{
	signal(SIGSEGV, on_fault), signal(SIGBUS, on_fault);
	for (; pages--; page++)
		if (!sigsetjmp(fault, 1))
			*(volatile long *)at(page) = word + WORD(page);
}

//: pagemap(
static uint64_t pagemap(long page)
{
	uint64_t entry = 0;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)at(page) / P * 8);
	return entry;
}

//: ksm(
static void ksm(void)
{
	put(KSM "pages_to_scan", "100000"), put(KSM "sleep_millisecs", "0"), put(KSM "use_zero_pages", "1");
	put(KSM "smart_scan", "0"), put(KSM "run", "1"), sleep(2), put(KSM "run", "0");
}

//: open_uffd
static int open_uffd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (ioctl(fd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, FEATURES, 0 }))
		perror("userfaultfd");
	return fd;
}

//: once(
// the file of this process: a child has its own
static int once(int *fd, int *owner, int opened(void))
{
	if (*owner != getpid())
		*fd = opened(), *owner = getpid();
	return *fd;
}

//: open_dmirror
static int open_dmirror(void) { return open("/dev/hmm_dmirror0", O_RDWR); }

//: device(
static long device(int command, long page, long pages, long word)
{
	static char mirror[2048 * 4096];
	uint64_t cmd[5] = { (long)at(page), (long)mirror, pages };
	for (long i = 0; i < pages; i++)
		*(long *)(mirror + i * P) = word + WORD(page + i);
	return ioctl(DMIRROR, _IOWR('H', command, cmd), cmd);
}

//: copy(
static void copy(long page, long pages, long word, int mode)
{
	static char from[2048 * 4096] __attribute__((aligned(4096)));
	for (long i = 0; i < pages; i++)
		*(long *)(from + i * P) = word + WORD(page + i);
	ioctl(UFFD, UFFDIO_COPY, &(struct uffdio_copy){ (long)at(page), (long)from, pages * P, mode, 0 });
}

//: scan(
// the number of pages of all these categories
static long scan(long page, long pages, long categories, long flags)
{
	uint64_t found[2048][3], sum = 0, first = (long)at(page);
	uint64_t arg[12] = { 96, flags & 1, first, first + pages * P, 0, (long)found, 2048, 0, 0, categories, 0, 255 };
	if (flags & 2)
		arg[5] = arg[6] = 0;
	long regions = ioctl(open("/proc/self/pagemap", O_RDONLY), _IOWR('f', 16, arg), arg);
	for (long i = 0; i < regions; i++)
		sum += (found[i][1] - found[i][0]) / P;
	return sum;
}

//: oversized(
// whether smaps counts more than the size of a mapping here
static int oversized(void)
{
	unsigned long start = 0, end, size = 0, kb;
	char line[256], name[256];
	FILE *smaps = fopen("/proc/self/smaps", "r");
	while (fgets(line, 256, smaps))
		if (sscanf(line, "%lx-%lx ", &start, &end) != 2 && start - (long)at(0) < 2048 * P &&
		    sscanf(line, "%255[^:]: %lu kB", name, &kb) == 2) {
			if (!strcmp(name, "Size"))
				size = kb;
			else if (kb > size && !strstr(name, "PageSize"))
				return printf("%s: %lu kB of %lu kB\n", name, kb, size);
		}
	return 0;
}

//: differs(
// a field of status against the sum of a field of smaps, or of the sizes with this flag, in kB
static long differs(const char *field, const char *of)
{
	char line[256];
	long sum = 0, kb = 0, size = 0;
	FILE *file = fopen("/proc/self/smaps", "r");
	while (fgets(line, 256, file) && !strstr(line, "[vsyscall]")) {
		sscanf(line, "Size: %ld", &size);
		if (!strncmp(line, of, strlen(of)))
			sum += atol(line + strlen(of));
		if (!strncmp(line, "VmFlags:", 8) && !strcmp(of, "lo") && strstr(line, " lo "))
			sum += size;
	}
	file = fopen("/proc/self/status", "r");
	while (fgets(line, 256, file))
		if (!strncmp(line, field, strlen(field)))
			kb = atol(line + strlen(field));
	return labs(kb - sum);
}

//: until(
static volatile int *turn;
static void until(int step)
{
	while (*turn < step)
		sched_yield();
}
