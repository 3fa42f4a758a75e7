"""Arrays that NumPy, Keras and MNIST's authors write: .npz, .npy and IDX files, read without trust."""
