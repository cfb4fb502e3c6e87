"""Does an upsampler help? Trainings in pairs, what they prove, and a page that shows it."""
