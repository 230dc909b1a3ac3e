"""From the stack to files that other programs open."""

from insarflow.stack.export.geotiff import local_scheduler as local_scheduler
from insarflow.stack.export.geotiff import write_geotiff as write_geotiff
