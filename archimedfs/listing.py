"""An open folder: where its listing stands. One page of children is held at a time, however large the folder is."""

from catalog.pure.errors import NotFound
from catalog.pure.nodes import Kind, Node, NodeId
from catalog.view import Tree

PAGE = 1000

# A cookie says where a listing goes on: 0 at the beginning, then `.`, `..`, and each child's row, tree and kind behind
# those. It stays right whatever is published or removed meanwhile, and needs no memory of what was listed before.
DOT = 1
DOT_DOT = 2
_KIND_BITS = 4
_TREE_BITS = 5


def cookie_of(node: Node) -> int:
    """Return the cookie that stands behind a child."""
    return (node.id.row << (_TREE_BITS + _KIND_BITS) | node.id.tree << _KIND_BITS | node.id.kind) + DOT_DOT


class Listing:
    """The children of one folder as one tree shows them, in pages behind a cookie.

    Names come in the order of a key, and each page begins behind the last name of the one before: what was there all the time
    is listed exactly once.
    """

    def __init__(self, tree: Tree, folder: NodeId) -> None:
        self.folder = folder
        self._tree = tree
        self._page: list[Node] = []
        self._cookies: list[int] = []
        self._is_last = False
        self._epoch = 0

    def held(self, cookie: int, epoch: int) -> list[Node] | None:
        """Return the children behind the cookie as far as they are at hand: empty at the end, None if `turn` must fetch.

        What was fetched in another epoch is not at hand: the user has lost something since.
        """
        if cookie <= DOT_DOT or epoch != self._epoch:
            return None  # from the beginning: as it is now
        try:
            rest = self._page[self._cookies.index(cookie) + 1 :]
        except ValueError:
            return None
        return rest if rest or self._is_last else None

    def turn(self, cookie: int, epoch: int) -> list[Node]:
        """Fetch the page behind the cookie; empty at the end.

        Raises:
            NotFound: the folder is not there or not granted any more, or the child that the cookie stood behind is gone.
        """
        page = self._tree.children(self.folder, self._name_at(cookie), PAGE)
        is_last = len(page) < PAGE
        if is_last:
            # A grant that went away lists nothing: without this, half a folder would look like a whole one.
            self._tree.attributes(self.folder)
        if page:
            self._page = page
            self._cookies = [cookie_of(node) for node in page]
        self._is_last = is_last
        self._epoch = epoch
        return page

    def _name_at(self, cookie: int) -> str:
        if cookie <= DOT_DOT:
            return ""
        if cookie in self._cookies:
            return self._page[self._cookies.index(cookie)].name
        # seekdir(3) to another page.
        above, kind = divmod(cookie - DOT_DOT, 1 << _KIND_BITS)
        row, tree = divmod(above, 1 << _TREE_BITS)
        try:
            return self._tree.attributes(NodeId(Kind(kind), row, tree)).name
        except ValueError:
            raise NotFound("there is nothing behind that place in the listing") from None
