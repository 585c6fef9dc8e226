# latent-mremap-uffd-neighbour (latent in 6.12.117): a neighbour that grows over the destination
# loses its userfaultfd registration.
# Page 0 of a registered VMA moves to page 1. The VMA of page 2 grows over page 1, and is no longer
# registered.
mmap p0 0 3 none
uffd-register p0 0 3
mremap p0 0 1 1 1 fixed
