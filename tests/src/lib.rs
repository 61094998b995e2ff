//! Tests of the whole workspace: its architecture, and the pipeline end to end. No code of its own.
