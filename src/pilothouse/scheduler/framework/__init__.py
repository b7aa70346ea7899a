"""What a scheduler plugin is written against: verdicts, extension points, events; and the runtime that calls plugins in order."""
