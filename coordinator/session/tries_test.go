package session_test

import "github.com/easelgrid/easel/coordinator/job"

// tries is how many attempts a job has; 10 more cost it none.
const tries = job.MaxTries
