# A move of several VMAs fails after the first one has moved. That VMA is not registered with
# userfaultfd. The VMA that was at the destination before the move was registered. The reference
# model was too sure of the registration there.
mmap p0 0 4 none
uffd-register p0 1 3
mremap p0 0 2 3 2 fixed
munmap p0 0 2
uffd-wp p0 0 4 off
