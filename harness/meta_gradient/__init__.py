"""Inner loops and the engines that differentiate through them; all engines agree in float64."""
