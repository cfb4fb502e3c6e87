"""What counts mmdyup's parts over the stock configs of mmdet and mmseg."""
