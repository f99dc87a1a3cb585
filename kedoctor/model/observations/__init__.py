"""Raw reads of the world: what can be asked, and what the answers look like.

One module a subject; :mod:`kedoctor.model.observations.request` has what they share. A :class:`Request` says what to
read; a :class:`Source` answers it, live or from a bundle. Requests and answers are records, so every read can be memoised, recorded and replayed by one mechanism. A read that could not be
made is answered with :class:`Unavailable`, never with an exception.
"""
