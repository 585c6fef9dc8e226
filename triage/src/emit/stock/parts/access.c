/* -EFAULT if the page may not be accessed, whether the VMA or the entry forbids it. */
static long device_touch(int dev, unsigned long command, int page, long word)
{
	mirror[0] = word;
	long ret = device(dev, command, page, 1);
	return ret == -EPERM ? -EFAULT : ret < 0 ? ret : (long)mirror[0];
}
