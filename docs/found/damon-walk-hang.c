// Expected: a process that waits for DAMON can be killed, and DAMON can be turned off.
// Linux 7.3.4: "update_schemes_tried_regions" waits for the next time that each scheme is applied, here
// 20 s, and SIGKILL does not end it. Until then, DAMON cannot be turned off. Needs CONFIG_DAMON_SYSFS,
// CONFIG_DAMON_PADDR and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define K "/sys/kernel/mm/damon/admin/kdamonds/"
#define C K "0/contexts/0/"
#define S C "schemes/0/"

static int set(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY), result = write(fd, value, strlen(value)) < 0 ? errno : 0;
	close(fd);
	return result;
}

int main(void)
{
	pid_t child;
	int status, gone, off;
	if (set(K "nr_kdamonds", "1") || set(K "0/contexts/nr_contexts", "1") || set(C "operations", "paddr") ||
	    set(C "targets/nr_targets", "1") || set(C "targets/0/regions/nr_regions", "1") ||
	    set(C "targets/0/regions/0/start", "0") || set(C "targets/0/regions/0/end", "67108864") ||
	    set(C "schemes/nr_schemes", "1") || set(S "action", "stat") || set(S "apply_interval_us", "20000000") ||
	    set(K "0/state", "on"))
		return perror("cannot be run: DAMON"), 2;
	child = fork();
	if (!child)
		_exit(set(K "0/state", "update_schemes_tried_regions"));
	sleep(2);
	kill(child, SIGKILL);
	sleep(5);
	gone = waitpid(child, &status, WNOHANG);
	off = set(K "0/state", "off");
	if (!gone)
		waitpid(child, &status, 0);
	set(K "0/state", "off");
	if (!gone || off)
		return printf("BROKEN: 5 s after SIGKILL, the process %s, and DAMON cannot be turned off (%s)\n", gone ? "has ended" : "still waits", strerror(off)), 1;
	return puts("ok"), 0;
}
