# collapse-no-notifier (f268f6cf875f): entries are removed without notifying the devices (here:
# zap_page_range).
# The device has read page 6 and maps it. munmap removes the page, and the device is not told.
mmap p0 6 1 r
dev-read d0 p0 6
munmap p0 2 5
