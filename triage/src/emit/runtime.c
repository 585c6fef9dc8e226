/*
 * The building blocks of an emitted program: processes that take commands, memory in a window at a
 * fixed address, and the commands of /dev/mmfuzz. PAGE, WINDOW and PROCS are defined above.
 */
#define UNUSED __attribute__((unused))
#define UFFD 100

enum kind { DONE, WORD, MOVED, EXCLUSIVE, CHILD, SLOT, FAULT, FAILED, NOTHING };

struct outcome {
	enum kind kind;
	unsigned long value;
};

struct process {
	sem_t start, end;
	void (*op)(void);
	struct outcome outcome;
	pid_t pid;
	int child; /* the slot of the child to come */
};

static struct process *procs; /* shared by all */
static int self;
static int driver;
static int uffd = -1;
static sigjmp_buf fault;

static const char *const names[] UNUSED = { "ok", "a word", "pages moved", "pages exclusive", "a child", "a slot", "a fault", "an error", "nothing there" };

static UNUSED void done(enum kind kind, unsigned long value)
{
	procs[self].outcome.kind = kind;
	procs[self].outcome.value = value;
}

static UNUSED void result(long ret)
{
	if (ret >= 0)
		done(DONE, 0);
	else if (errno == ENOENT || errno == ENOSPC)
		done(NOTHING, 0);
	else
		done(errno == EFAULT || errno == EPERM ? FAULT : FAILED, (unsigned long)errno);
}

static UNUSED char *at(int page)
{
	return WINDOW + (unsigned long)page * PAGE;
}

static void on_fault(int number)
{
	siglongjmp(fault, number);
}

static UNUSED void op_read(int page)
{
	int number = sigsetjmp(fault, 1);

	if (number)
		done(FAULT, (unsigned long)number);
	else
		done(WORD, *(volatile unsigned long *)at(page));
}

static UNUSED void op_write(int page, unsigned long word)
{
	int number = sigsetjmp(fault, 1);

	if (number) {
		done(FAULT, (unsigned long)number);
		return;
	}
	*(volatile unsigned long *)at(page) = word;
	done(WORD, word);
}

static UNUSED void op_clear_refs(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	result(write(fd, "4", 1));
	close(fd);
}

static UNUSED void op_uffd(unsigned long number, void *argument)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_SIGBUS };

	if (uffd < 0) {
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
		ioctl(uffd, UFFDIO_API, &api);
	}
	/* here ENOENT is an outcome of the operation, and does not mean an empty slot */
	if (ioctl(uffd, number, argument) < 0)
		done(FAILED, (unsigned long)errno);
	else
		done(DONE, 0);
}

static UNUSED void op_range(unsigned long number, enum kind kind, struct mmfuzz_range range)
{
	long ret = ioctl(driver, number, &range);

	if (ret < 0)
		result(ret);
	else
		done(kind, range.result);
}

static UNUSED void op_slot(unsigned long number, unsigned int slot, unsigned int skip)
{
	struct mmfuzz_slot argument = { .slot = slot, .skip = skip };

	result(ioctl(driver, number, &argument));
}

static UNUSED void op_evict(unsigned long number, struct mmfuzz_evict evict)
{
	long ret = ioctl(driver, number, &evict);

	if (ret < 0)
		result(ret);
	else
		done(MOVED, evict.moved);
}

static void serve(int slot)
{
	struct process *me = &procs[slot];

	self = slot;
	if (uffd >= 0)
		close(uffd);
	uffd = -1;
	ioctl(driver, MMFUZZ_IOC_ATTACH);
	for (;;) {
		while (sem_wait(&me->start))
			;
		me->op();
		sem_post(&me->end);
	}
}

static UNUSED void op_fork(void)
{
	int child = procs[self].child;
	pid_t pid = fork();

	if (pid == 0)
		serve(child);
	procs[child].pid = pid;
	if (pid < 0)
		result(-1);
	else
		done(CHILD, (unsigned long)child);
}

/* Makes a process start an operation. */
static UNUSED void start(int slot, void (*op)(void), int child)
{
	procs[slot].op = op;
	procs[slot].child = child;
	sem_post(&procs[slot].start);
}

static UNUSED void exit_process(int slot)
{
	kill(procs[slot].pid, SIGKILL);
	while (kill(procs[slot].pid, 0) == 0)
		usleep(100);
}

/*
 * Ends the program after a difference was printed. Kills all processes first, because a reader of
 * the output waits until no process can write to it.
 */
static UNUSED void different(void)
{
	int i;

	for (i = 0; i <= PROCS; i++)
		if (procs[i].pid > 0)
			kill(procs[i].pid, SIGKILL);
	exit(1);
}

/* Checks that the operation still waits. */
static UNUSED void waits(int slot, const char *text)
{
	int ended;

	usleep(3000);
	sem_getvalue(&procs[slot].end, &ended);
	if (ended) {
		printf("DIFFERENT %s: it should have waited\n", text);
		different();
	}
}

/* Waits up to 5 s for the end of an operation, and compares its outcome. */
static UNUSED void expect(int slot, const char *text, enum kind kind, unsigned long value)
{
	struct timespec until;
	struct outcome *got = &procs[slot].outcome;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	while (sem_timedwait(&procs[slot].end, &until)) {
		if (errno == ETIMEDOUT) {
			printf("DIFFERENT %s: it does not end\n", text);
			different();
		}
	}
	if (got->kind != kind || (kind != FAULT && got->value != value)) {
		printf("DIFFERENT %s: expected %s %lu, got %s %lu\n", text, names[kind], value, names[got->kind], got->value);
		different();
	}
}

static void begin(void)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	int i;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	/* processes vanish when they end, even if their parent has ended */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	driver = open("/dev/mmfuzz", O_RDWR);
	if (driver < 0) {
		perror("/dev/mmfuzz");
		exit(2);
	}
	procs = mmap(NULL, sizeof(*procs) * (PROCS + 1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i <= PROCS; i++) {
		sem_init(&procs[i].start, 1, 0);
		sem_init(&procs[i].end, 1, 0);
	}
	for (i = 0; i <= PROCS; i += PROCS) {
		pid_t pid = fork();

		if (pid == 0)
			serve(i);
		procs[i].pid = pid;
	}
}

static UNUSED void release(unsigned long number, unsigned int slot)
{
	struct mmfuzz_slot argument = { .slot = slot };

	ioctl(driver, number, &argument);
}

static int finish(void)
{
	struct mmfuzz_reset reset = { .limit = 0 };
	int i;

	ioctl(driver, MMFUZZ_IOC_RESET, &reset);
	for (i = 0; i <= PROCS; i++)
		if (procs[i].pid > 0)
			exit_process(i);
	ioctl(driver, MMFUZZ_IOC_RESET, &reset);
	if (reset.device_frames[0] || reset.device_frames[1]) {
		printf("DIFFERENT: %u and %u device pages are left\n", reset.device_frames[0], reset.device_frames[1]);
		return 1;
	}
	printf("SAME\n");
	return 0;
}
