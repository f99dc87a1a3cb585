"""Facts: typed readings of observations. One subject, one file; parsing lives in pure modules beside them."""
