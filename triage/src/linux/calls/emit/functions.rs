//! Functions, macros and settings in C that the emitted programs use.

/// A counter of the system, from a file of /proc or /sys.
pub const COUNTER: &str = "\
static long counter(void)
{
	char line[128];
	unsigned long value = 0;
	for (FILE *file = fopen(\"PATH\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"FORMAT\", &value);
	return value;
}
";

/// Makes the control group of the program.
pub const MAKE_GROUP: &str = "\
mount(\"cgroup2\", \"/sys/fs/cgroup\", \"cgroup2\", 0, 0);
SET(\"/sys/fs/cgroup/cgroup.subtree_control\", \"+memory\");
SET(\"/sys/fs/cgroup/cgroup.subtree_control\", \"+hugetlb\");
mkdir(\"/sys/fs/cgroup/mmfuzz\", 0700);
";

/// The process joins that control group.
pub const JOIN_GROUP: &str = "SET(\"/sys/fs/cgroup/mmfuzz/cgroup.procs\", \"0\");\n";

/// Lets any allocation fail.
pub const FAILURES: &str = "\
SET(\"/sys/kernel/debug/failslab/ignore-gfp-wait\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/min-order\", \"0\");
";

/// Places the heap from `from` to `to`, and calls brk with `end`. Then sets both the start and the
/// end of the heap to the place where the heap ended before all this. The start of the heap must
/// never lie behind its end.
pub const HEAP: &str = "\
#define HEAP(what, at) prctl(PR_SET_MM, PR_SET_MM_##what, at, 0, 0)
#define BRK(from, to, end) ({ \\
	long own = syscall(SYS_brk, 0L); \\
	HEAP(BRK, to), HEAP(START_BRK, from), syscall(SYS_brk, end), HEAP(START_BRK, own), HEAP(BRK, own); })
";

/// Lets io_uring read what is in `buffer` into a registered buffer.
pub const URING_READ: &str = "\
static void uring_read(char *to, long len)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), source = memfd_create(\"source\", 0);
	char *rings = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	pwrite(source, buffer, len, 0);
	syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ to, len }, 1);
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = source, .addr = (long)to, .len = len };
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, 0, 0);
	munmap(rings, 4096), munmap(sqe, 4096), close(ring), close(source);
}
";

/// Makes a file system of ext4 with 32 MiB on a disk of zram.
pub const MAKE_DISK: &str = "\
static void mkfs(void)
{
	static unsigned b[4096 * 9 / 4];
	int disk = open(\"/dev/zram0\", O_RDWR);
	memcpy(b + 256, (unsigned[]){ 128, 8192, 0, 8183, 117, 0, 2, 2, 32768, 32768, 128, 0, 0, 0, 0x1ef53, 1 }, 64);
	b[275] = 1, b[277] = 11, b[278] = 128, b[280] = 0x42;
	memcpy(b + 1024, (unsigned[]){ 2, 3, 4, 8183 | 117 << 16, 1 }, 20);
	memset(b + 2048, 255, 8192);
	memset((char *)b + 8193, 0, 1023), ((char *)b)[8193] = 1;
	memset((char *)b + 12290, 0, 14), ((char *)b)[12289] = 7;
	memcpy(b + 4128, (unsigned[]){ 040755, 4096, 0, 0, 0, 0, 2 << 16, 8, 0, 0, 8 }, 44);
	memcpy(b + 8192, \"\\2\\0\\0\\0\\14\\0\\1\\2.\\0\\0\\0\\2\\0\\0\\0\\364\\17\\2\\2..\", 22);
	pwrite(disk, b, sizeof(b), 0), close(disk);
}
";

/// Writes `buffer` to pages of a file, past the page cache.
pub const DIRECT_WRITE: &str = "\
static void direct_write(int file, long len, long at)
{
	char path[32];
	sprintf(path, \"/proc/self/fd/%d\", file);
	int direct = open(path, O_RDWR | O_DIRECT);
	pwrite(direct, buffer, len, at), close(direct);
}
";

/// Reads what is in `buffer` from another file, past the page cache.
pub const DIRECT_READ: &str = "\
static void direct_read(char *to, long len)
{
	int source = open(\"/mnt\", O_TMPFILE | O_RDWR | O_DIRECT, 0600);
	pwrite(source, buffer, len, 0), pread(source, to, len, 0), close(source);
}
";

/// Sums up a field of a file of /proc.
pub const TOTAL: &str = "\
static long total(const char *path, const char *field)
{
	char line[256];
	long kb, sum = 0;
	for (FILE *file = fopen(path, \"r\"); fgets(line, sizeof(line), file);)
		sum += sscanf(line, field, &kb) == 1 ? kb : 0;
	return sum;
}
";

/// By how much VmLck exceeds the sizes of locked mappings.
pub const LOCKED: &str = "\
static long locked(void)
{
	char line[256];
	long size, status = 0, smaps = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		smaps += sscanf(line, \"Size: %ld\", &size) != 1 && strstr(line, \" lo \") ? size : 0;
	for (FILE *file = fopen(\"/proc/self/status\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"VmLck: %ld\", &status);
	return status - smaps;
}
";

/// VmData, less the total size of the private writable mappings other than the stack.
pub const DATA: &str = "\
static long data(void)
{
	char line[256], rights[5] = \"\";
	long size, status = 0, smaps = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%*lx-%*lx %4s\", rights) != 1 && sscanf(line, \"Size: %ld\", &size) != 1)
			smaps += strstr(line, \"VmFlags\") && rights[1] == 'w' && rights[3] == 'p' && !strstr(line, \" gd \") ? size : 0;
	for (FILE *file = fopen(\"/proc/self/status\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"VmData: %ld\", &status);
	return status - smaps;
}
";

/// A field of the mapping at an address.
pub const FIELD: &str = "\
static long smaps(char *at, const char *field)
{
	char line[256];
	long from, to, here = 0, kb;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx\", &from, &to) == 2)
			here = from <= (long)at && (long)at < to;
		else if (here && sscanf(line, field, &kb) == 1)
			return kb;
	return 0;
}
";

/// Whether the mapping at an address is writable and executable.
pub const CODE: &str = "\
static int writable_code(char *at)
{
	char line[256], rights[5];
	long from, to, found = 0;
	for (FILE *file = fopen(\"/proc/self/maps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx %4s\", &from, &to, rights) == 3 && from <= (long)at && (long)at < to)
			found = rights[1] == 'w' && rights[2] == 'x';
	return found;
}
";

/// A hash of the flags of the mapping at an address. The soft-dirty flag is left out.
pub const FLAGS: &str = "\
static long flags(char *at)
{
	char line[256];
	long from, to, here = 0, sum = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx\", &from, &to) == 2)
			here = from <= (long)at && (long)at < to;
		else if (here && !strncmp(line, \"VmFlags:\", 8))
			for (char *word = strtok(line + 8, \" \\n\"); word; word = strtok(0, \" \\n\"))
				sum = strcmp(word, \"sd\") ? sum * 31 + *word * 256 + word[1] : sum;
	return sum;
}
";

/// How much of a memfd is mapped for writing.
pub const WRITABLE: &str = "\
static long writable(void)
{
	char line[256], rights[5];
	long from, to, sum = 0;
	for (FILE *file = fopen(\"/proc/self/maps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx %4s\", &from, &to, rights) == 3 && rights[1] == 'w' && rights[3] == 's' && strstr(line, \"/memfd:\"))
			sum += to - from;
	return sum;
}
";
