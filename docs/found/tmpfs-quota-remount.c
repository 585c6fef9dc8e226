// Expected: "None of the quota related mount options can be set or changed on remount"
// (Documentation/filesystems/tmpfs.rst): remount with one of them fails, as it does if the mount has no quota.
// Linux 7.3.4: on a mount with usrquota, remount with grpquota succeeds, and does nothing. Needs
// CONFIG_TMPFS_QUOTA and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Mounts with options, and remounts with grpquota. Returns 1 if remount says 0 and there is no group quota.
static int remount(const char *options)
{
	struct dqblk usage;
	int dir, result, quota;

	if (mount("tmpfs", "/mnt", "tmpfs", 0, options))
		return perror("mount"), -1;
	result = mount("tmpfs", "/mnt", "tmpfs", MS_REMOUNT, "grpquota");
	dir = open("/mnt", O_RDONLY);
	quota = syscall(SYS_quotactl_fd, dir, QCMD(Q_GETQUOTA, GRPQUOTA), 0, &usage);
	if (quota)
		perror("group quota");
	close(dir), umount("/mnt");
	return !result && quota;
}

int main(void)
{
	int twin, found;

	mkdir("/mnt", 0755);
	twin = remount(""), found = remount("usrquota");
	if (twin)
		return puts("the twin fails"), 2;
	printf(found ? "BROKEN: remount with grpquota of a tmpfs with usrquota says 0, and there is no group quota\n" : "ok\n");
	return found != 0;
}
