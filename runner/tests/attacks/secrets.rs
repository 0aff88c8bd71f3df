//! What is a secret reaches no policy, no output and no difference.
